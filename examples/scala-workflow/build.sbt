// The versions that production runs; Spark brings its own Scala.
val sparkVersion = "4.1.3"
val icebergVersion = "1.12.0"

ThisBuild / scalaVersion := "2.13.17"
ThisBuild / version := "0.1.0"

// What scalafix reads. Its own version is older than this Scala.
ThisBuild / semanticdbEnabled := true
ThisBuild / semanticdbVersion := "4.13.10"

lazy val root = (project in file("."))
  .settings(
    name := "scala_workflow",
    scalacOptions ++= Seq("-deprecation", "-feature", "-release:17", "-unchecked", "-Xlint"),
    scalacOptions ++= (if (insideCI.value) Seq("-Werror") else Nil),
    libraryDependencies ++= Seq(
      "org.apache.spark" %% "spark-sql" % sparkVersion % Provided,
      "org.apache.iceberg" %% "iceberg-spark-runtime-4.1" % icebergVersion % Test,
      "org.scalatest" %% "scalatest" % "3.2.20" % Test,
      "org.yaml" % "snakeyaml" % "2.5" % Test
    ),
    // A JVM of its own: Spark does not stop cleanly in sbt's, and needs to see inside Java.
    Test / fork := true,
    Test / javaOptions ++= sparkJavaOptions,
    // Tests are over before the second compiler or a parallel collector would pay.
    Test / javaOptions ++= Seq("-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
    Test / compile / compileInputs := (Test / compile / compileInputs).dependsOn(requireMocks).value
  )

// Git ignores what Dataflow writes for tests, so that a new clone has to get it first.
lazy val requireMocks = Def.task {
  val reader = "src/test/scala/dataflow/Mocks.scala"
  if (!(baseDirectory.value / reader).exists)
    throw new MessageOnlyException(s"$reader is not there: `dataflow workflow validate .` writes it")
}

// What spark-submit adds by itself (org.apache.spark.launcher.JavaModuleOptions).
lazy val sparkJavaOptions = Seq(
  "java.io",
  "java.lang",
  "java.lang.invoke",
  "java.lang.reflect",
  "java.net",
  "java.nio",
  "java.util",
  "java.util.concurrent",
  "java.util.concurrent.atomic",
  "jdk.internal.ref",
  "sun.nio.ch",
  "sun.nio.cs",
  "sun.security.action",
  "sun.util.calendar"
).map(name => s"--add-opens=java.base/$name=ALL-UNNAMED")
