"""Settings, addresses, the timetable and the health page."""
