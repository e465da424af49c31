"""How fast Millrace is, beside what the machine could do at most, in the same run. `bin/bench` says which there are."""
