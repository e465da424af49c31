"""What leaves the house by itself: outgoing webhooks, people and events for Customer.io."""
