"""What the pages show, read from state, catalog and registry: frozen facts, no markup."""
