"""What stands behind bin/: embedded engines, the supervisor and the watcher. Imports none of the product's apps."""
