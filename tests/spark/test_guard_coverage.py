"""Everything that can write, found by reflection, is classed: a new version's new way fails until somebody looks."""

from __future__ import annotations

import contextlib
import inspect
import zipfile
from pathlib import Path

import pytest

from dataflow.spark import jars
from dataflow.spark.spark_home import spark_home

pytestmark = pytest.mark.spark

READS, CATALOG, GUARD = "reads", "through Iceberg's catalog", "judged where it is called"

SPARK_CATALOG = {
    READS: """
        asFunctionCatalog capabilities defaultNamespace functionExists icebergCatalog initialize invalidateTable
        isExistingNamespace isFunctionNamespace listFunctions listNamespaces listProcedures listTables
        listTableSummaries listViews loadFunction loadNamespaceMetadata loadView name namespaceExists tableExists
        supportedCustomMetrics useNullableQuerySchema viewExists invalidateView sessionScope
    """,
    CATALOG: """
        alterNamespace alterView createNamespace createView dropNamespace dropView renameTable renameView replaceView
    """,
    GUARD: """
        alterTable createTable dropTable loadProcedure loadTable purgeTable stageCreate stageCreateOrReplace
        stageReplace
    """,
}

ICEBERG_DEFAULTS = {
    "createTable",  # by buildTable
    "newCreateTableTransaction",
    "newReplaceTableTransaction",
    "dropTable(org.apache.iceberg.catalog.TableIdentifier)",  # by the one with `purge`
    "createNamespace(org.apache.iceberg.catalog.Namespace)",  # by the one with metadata
    "listNamespaces()",
    "initialize",
}

QUERIES = """
    Aggregate AppendColumns AppendColumnsWithObject ArrowEvalPython ArrowEvalPythonUDTF AsOfJoin
    AttachDistributedSequence BatchEvalPython BatchEvalPythonUDTF CTERelationDef CTERelationRef CoGroup CollectMetrics
    CommandResult CurrentNamespace DataFrameDropColumns DataSourceV2Relation DataSourceV2ScanRelation Deduplicate
    DeduplicateWithinWatermark DeserializeToObject Distinct DomainJoin DummyExpressionHolder DummyRelation EmptyRelation
    ErrorCondition EventTimeWatermark Except ExceptionHandler Expand ExternalRDD Filter FlatMapCoGroupsInArrow
    FlatMapCoGroupsInPandas FlatMapGroupsInArrow FlatMapGroupsInPandas FlatMapGroupsInPandasWithState FlatMapGroupsInR
    FlatMapGroupsInRWithArrow FlatMapGroupsWithState ForStatement GeneralParameterizedQuery Generate GlobalLimit
    HiveTableRelation IfElseStatement InMemoryRelation Intersect IterateStatement Join LateralJoin LeaveStatement
    LimitAll LocalLimit LocalRelation LogicalQueryStage LogicalRDD LogicalRelation LoopStatement MapElements MapGroups
    MapInArrow MapInPandas MapPartitions MapPartitionsInR MapPartitionsInRWithArrow MemoryPlan MergeRows MultiResult
    NameParameterizedQuery Offset OffsetHolder OneRowRelation OrderAwareCoalesce OrderedJoin PipeOperator Pivot
    PlanWithUnresolvedIdentifier PosParameterizedQuery Project PythonWorkerLogs Range RebalancePartitions
    RelationTimeTravel RepartitionByExpression Repartition RepeatStatement ResolvedHint ResolvedIdentifier
    ResolvedInlineTable ResolvedNamespace ResolvedNonPersistentFunc ResolvedPersistentFunc ResolvedPersistentView
    ResolvedProcedure ResolvedTable ResolvedTempView ResolvedV2View ReturnAnswer SQLFunctionNode SQLTableFunction Sample
    ScanBuilderHolder ScriptTransformation SearchedCaseStatement SerializeFromObject SimpleCaseStatement
    SingleStatement Sort StreamingDataSourceV2Relation StreamingDataSourceV2ScanRelation StreamingExecutionRelation
    StreamingRelation StreamingRelationV2 Subquery SubqueryAlias Tail TemporaryViewRelation TransformWithState
    TransformWithStateInPySpark Transpose TypedFilter UnresolvedCteRelationRef Union UnionLoop UnionLoopRef Unpivot
    UnresolvedCatalogRelation UnresolvedDataSource UnresolvedEventTimeWatermark UnresolvedExecuteImmediate
    UnresolvedFunctionName UnresolvedHaving UnresolvedHint UnresolvedIdentifier UnresolvedInlineTable
    UnresolvedNamespace UnresolvedProcedure UnresolvedRelation UnresolvedSubqueryColumnAliases UnresolvedTVFAliases
    UnresolvedTable UnresolvedTableOrView UnresolvedTableValuedFunction UnresolvedTranspose UnresolvedView
    UnresolvedWith UpdateEventTimeWatermarkColumn V2TableReference View WhileStatement Window WindowGroupLimit WithCTE
    WithWindowDefinition WriteFiles WriteToContinuousDataSource WriteToMicroBatchDataSource
    WriteToMicroBatchDataSourceV1
"""
"""Plans that write nothing; the last four only carry out a write that was judged when it was planned."""

PYSPARK = {
    "DataFrameWriter": "csv insertInto jdbc json orc parquet save saveAsTable text xml",
    "DataFrameWriterV2": "append create createOrReplace overwrite overwritePartitions replace",
    "MergeIntoWriter": "merge",
    "DataStreamWriter": "foreach foreachBatch start toTable",
    "Catalog": "createExternalTable createTable recoverPartitions",
    "SparkSession": "sql",
}
"""What writes; each becomes one of the plans above, or a table that the catalog gave out (a stream's)."""

PYSPARK_SETTINGS = """
    bucketBy clusterBy format mode option options partitionBy sortBy partitionedBy tableProperty using WhenMatched
    WhenNotMatched WhenNotMatchedBySource whenMatched whenNotMatched whenNotMatchedBySource withSchemaEvolution
    outputMode queryName trigger
    cacheTable clearCache currentCatalog currentDatabase databaseExists dropGlobalTempView dropTempView functionExists
    getDatabase getFunction getTable isCached listCatalogs listColumns listDatabases listFunctions listTables
    refreshByPath refreshTable registerFunction setCurrentCatalog setCurrentDatabase tableExists uncacheTable
    Builder active addArtifact addArtifacts addTag builder catalog clearProgressHandlers clearTags client conf
    copyFromLocalToFs createDataFrame dataSource getActiveSession getTags interruptAll interruptOperation interruptTag
    newSession profile range read readStream registerProgressHandler removeProgressHandler removeTag sparkContext stop
    streams table tvf udf udtf version
"""
"""What writes nothing by itself; `copyFromLocalToFs` is Spark Connect's alone."""


def methods(spark, name):
    """Return the public methods of a Java class, those that it inherits among them."""
    found = spark._jvm.java.lang.Class.forName(
        name, False, spark._jvm.java.lang.Thread.currentThread().getContextClassLoader()
    )
    return [it for it in found.getMethods() if str(it.getDeclaringClass().getName()) != "java.lang.Object"]


def names(spark, name):
    """Return the names of a Java class's public methods, without what Scala adds."""
    return {str(it.getName()) for it in methods(spark, name)} - {"wait", "equals", "hashCode", "toString"}


def test_every_method_of_the_spark_catalog_is_classed(spark):
    listed = {name for kind in SPARK_CATALOG.values() for name in kind.split()}
    assert names(spark, "org.apache.iceberg.spark.SparkCatalog") - listed == set()
    own = {str(it.getName()) for it in methods(spark, "dataflow.guard.GuardedCatalog")
           if str(it.getDeclaringClass().getName()) == "dataflow.guard.GuardedCatalog"}  # fmt: skip
    assert set(SPARK_CATALOG[GUARD].split()) <= own


@pytest.mark.parametrize(
    ("guarded", "interface"),
    [
        ("GuardedIceberg", "catalog.Catalog"),
        ("GuardedIceberg", "catalog.SupportsNamespaces"),
        ("GuardedIceberg", "catalog.ViewCatalog"),
        ("GuardedOperations", "TableOperations"),
        ("GuardedViewOperations", "view.ViewOperations"),
        ("GuardedBuilder", "catalog.Catalog$TableBuilder"),
    ],
)
def test_every_method_of_iceberg_s_catalog_is_said_anew_or_goes_through_one_that_is(spark, guarded, interface):
    def signature(method):
        return f"{method.getName()}({', '.join(str(it.getName()) for it in method.getParameterTypes())})"

    own = {signature(it) for it in methods(spark, f"dataflow.guard.{guarded}")
           if str(it.getDeclaringClass().getName()) == f"dataflow.guard.{guarded}"}  # fmt: skip
    asked = {signature(it) for it in methods(spark, f"org.apache.iceberg.{interface}")}
    left = {it for it in asked - own if not {it, it.partition("(")[0]} & ICEBERG_DEFAULTS}
    assert left == set()


@pytest.fixture(scope="module")
def plans(spark):
    """Return all logical plans of Spark and Iceberg, by their simple names."""
    jvm = spark._jvm
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    logical = jvm.java.lang.Class.forName("org.apache.spark.sql.catalyst.plans.logical.LogicalPlan")
    found = {}
    for name in sorted(class_names()):
        with contextlib.suppress(Exception):  # a class of an engine that is not on the class path
            it = jvm.java.lang.Class.forName(name, False, loader)
            if logical.isAssignableFrom(it) and not it.getModifiers() & 0x400:
                found[str(it.getSimpleName()).removesuffix("$")] = it
    return found


def test_every_logical_plan_of_spark_and_iceberg_is_classed(spark, plans):
    listed, queries = spark._jvm.dataflow.guard.Plans, set(QUERIES.split())
    assert len(plans) > 300
    assert {name for name, it in plans.items() if not listed.isListed(it)} - queries == set()


def test_only_a_call_runs_while_spark_still_analyses(spark, plans):
    """Whatever else does has to be judged as early as `EarlyChecks` judges a CALL."""
    early = spark._jvm.java.lang.Class.forName("org.apache.spark.sql.catalyst.plans.logical.ExecutableDuringAnalysis")
    assert [name for name, it in plans.items() if early.isAssignableFrom(it)] == ["Call"]


def class_names():
    """Return the classes of Spark's SQL jars and Iceberg's that may be plans, by their names."""
    bundled = [it for it in (spark_home() / "jars").glob("spark-*.jar") if "sql" in it.name or "catalyst" in it.name]
    for jar in [*bundled, *(spark_home() / "jars").glob("spark-hive_*.jar"), jars.folder() / jars.ICEBERG.file_name]:
        with zipfile.ZipFile(Path(jar)) as file:
            for name in file.namelist():
                if name.endswith(".class") and name.startswith("org/apache/spark/sql/") and "$$" not in name:
                    yield name.removesuffix(".class").replace("/", ".")


def test_every_public_method_of_pyspark_s_writers_is_classed():
    from pyspark.sql import DataFrameWriter, DataFrameWriterV2, SparkSession
    from pyspark.sql.catalog import Catalog
    from pyspark.sql.merge import MergeIntoWriter
    from pyspark.sql.streaming import DataStreamWriter

    plain = set(PYSPARK_SETTINGS.split())
    for cls in (DataFrameWriter, DataFrameWriterV2, MergeIntoWriter, DataStreamWriter, Catalog, SparkSession):
        public = {name for name, _ in inspect.getmembers(cls) if not name.startswith("_")}
        assert public - plain - set(PYSPARK[cls.__name__].split()) == set(), cls.__name__
