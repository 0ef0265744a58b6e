"""Building programs: sbt, Gradle, Maven, and Python environments by uv."""
