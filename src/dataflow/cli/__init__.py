"""What people type: one thin module per command group, loaded lazily, no logic."""
