"""The part of Dataflow that runs in Spark's JVM: its Scala sources, and how the jar is made of them."""
