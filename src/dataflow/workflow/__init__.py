"""What the YAML means: models, parameters, graph, checks, JSON Schema. Pure: no Spark, no network."""
