"""What the pages show, a module per subject: out of the database, the catalog and the registry into dataclasses."""
