package dataflow.guard

import org.apache.spark.sql.catalyst.plans.logical.{Command, ParsedStatement}

/** Spark's and Iceberg's logical plans by what they change. */
object Plans {
  sealed trait Kind

  /** Changes nothing. */
  case object Query extends Kind

  /** Changes nothing that outlives the session. */
  case object OfTheSession extends Kind

  /** Writes rows of a table or to a sink. */
  case object Rows extends Kind

  /** Changes a table, view or database itself. */
  case object Definition extends Kind

  /** Writes files by their path, or by a format. */
  case object Files extends Kind

  /** Passes for what ends with the session, such as a temporary view. */
  case object TemporaryOnly extends Kind

  /** Is refused whatever it names: it writes past the environment's catalog. */
  case object Refused extends Kind

  /** Return the kind of a class of plans. */
  def of(plan: Class[_]): Kind = kinds.getOrElse(name(plan), unlisted(plan))

  private def name(plan: Class[_]) = plan.getSimpleName.stripSuffix("$")

  /** A class that is not listed is refused where Spark says that it is a command. */
  private def unlisted(plan: Class[_]): Kind =
    if (classOf[Command].isAssignableFrom(plan) || classOf[ParsedStatement].isAssignableFrom(plan)) Refused else Query

  /** Say whether a class of plans has been classed by hand. */
  def isListed(plan: Class[_]): Boolean = kinds.contains(name(plan))

  /** Return the name of a class's kind. */
  def kindOf(plan: Class[_]): String = of(plan).toString

  private def all(kind: Kind, names: String) = names.split("\\s+").filter(_.nonEmpty).map(_ -> kind)

  private val kinds: Map[String, Kind] = Map.from(
    all(OfTheSession, """
      AddArchivesCommand AddFilesCommand AddJarsCommand CacheTable CacheTableAsSelect Call ClearCacheCommand CompoundBody CreateTempViewUsing
      CreateVariable DescribeColumn DescribeColumnCommand DescribeDatabaseCommand DescribeFunction
      DescribeFunctionCommand DescribeNamespace DescribeProcedureCommand DescribeQueryCommand DescribeRelation
      DescribeRelationJsonCommand DescribeTableCommand DropTempViewCommand DropVariable ExplainCommand
      ListArchivesCommand ListFilesCommand ListJarsCommand NoopCommand RefreshFunction RefreshFunctionCommand
      RefreshResource RefreshTable RefreshTableCommand ResetCommand SetCatalogAndNamespace SetCatalogCommand
      SetCommand SetNamespaceCommand SetVariable ShowCatalogsCommand ShowColumns ShowColumnsCommand ShowCreateTable
      ShowCreateTableAsSerdeCommand ShowCreateTableCommand ShowCurrentNamespaceCommand ShowFunctions
      ShowFunctionsCommand ShowIcebergViews ShowNamespacesCommand ShowPartitions ShowPartitionsCommand
      ShowProceduresCommand ShowTablePartition ShowTableProperties ShowTablePropertiesCommand ShowTables
      ShowTablesCommand ShowTablesExtended ShowViews ShowViewsCommand StreamingExplainCommand UncacheTable
    """) ++
      all(Rows, """
        AppendData DeleteFromTable DeleteFromTableWithFilters InsertIntoStatement MergeIntoTable OverwriteByExpression
        OverwritePartitionsDynamic ReplaceData UpdateTable WriteDelta WriteToStream WriteToStreamStatement
      """) ++
      all(Definition, """
        AddCheckConstraint AddColumns AddConstraint AddPartitionField AddPartitions AlterColumns AlterTableClusterBy
        AlterTableCollation AnalyzeColumn AnalyzeTable CommentOnNamespace CommentOnTable CreateIcebergView
        CreateIndex CreateNamespace CreateOrReplaceBranch CreateOrReplaceTag CreateTable CreateTableAsSelect CreateView
        DropBranch DropColumns DropConstraint DropIcebergView DropIdentifierFields DropIndex DropNamespace
        DropPartitionField DropPartitions DropTable DropTag DropView RecoverPartitions RenameColumn RenamePartitions
        RenameTable RepairTable ReplaceColumns ReplacePartitionField ReplaceTable ReplaceTableAsSelect
        SetIdentifierFields SetNamespaceCollationCommand SetNamespaceLocation SetNamespaceProperties SetTableLocation
        SetTableProperties SetTableSerDeProperties SetViewProperties SetWriteDistributionAndOrdering TruncatePartition
        TruncateTable UnsetNamespacePropertiesCommand UnsetTableProperties UnsetViewProperties
      """) ++
      all(Files, """
        InsertIntoDataSourceDirCommand InsertIntoDir InsertIntoHadoopFsRelationCommand SaveIntoDataSourceCommand
      """) ++
      all(TemporaryOnly, """
        AlterViewAsCommand CreateFunctionCommand CreateSQLFunctionCommand CreateViewCommand DropFunctionCommand
      """) ++
      all(Refused, """
        AlterDatabasePropertiesCommand AlterDatabaseSetLocationCommand AlterTableAddColumnsCommand
        AlterTableAddPartitionCommand AlterTableChangeColumnCommand AlterTableDropPartitionCommand
        AlterTableRenameCommand AlterTableRenamePartitionCommand AlterTableSerDePropertiesCommand
        AlterTableSetLocationCommand AlterTableSetPropertiesCommand AlterTableUnsetPropertiesCommand AlterViewAs
        AlterViewSchemaBinding AlterViewSchemaBindingCommand AnalyzeColumnCommand AnalyzePartitionCommand
        AnalyzeTableCommand AnalyzeTables AnalyzeTablesCommand CreateDataSourceTableAsSelectCommand
        CreateDataSourceTableCommand CreateDatabaseCommand CreateFlowCommand CreateFunction
        CreateHiveTableAsSelectCommand CreateMaterializedViewAsSelect CreateStreamingTable
        CreateStreamingTableAsSelect CreateTableCommand CreateTableLikeCommand CreateUserDefinedFunction
        DropDatabaseCommand DropFunction DropTableCommand ExternalCommandExecutor InsertIntoDataSourceCommand
        InsertIntoHiveDirCommand InsertIntoHiveTable LoadData LoadDataCommand RepairTableCommand
        SaveAsV1TableCommand TruncateTableCommand WriteToDataSourceV2
      """))
}
