"""Foreign systems of our own make, for the demo, tests and benchmarks. Imports none of the product's apps."""
