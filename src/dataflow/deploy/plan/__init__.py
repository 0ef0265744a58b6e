"""Plans of deployments: what would change, before anything is built."""
