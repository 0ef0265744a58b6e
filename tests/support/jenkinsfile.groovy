// Prints what a Jenkinsfile says, as Groovy's own compiler reads it: a line for each stage, condition, credential and
// script, its text in base 64. A file that is not Groovy is a failure, with the compiler's message.
import org.codehaus.groovy.ast.CodeVisitorSupport
import org.codehaus.groovy.ast.expr.BinaryExpression
import org.codehaus.groovy.ast.expr.ClosureExpression
import org.codehaus.groovy.ast.expr.ConstantExpression
import org.codehaus.groovy.ast.expr.MethodCallExpression
import org.codehaus.groovy.control.CompilationUnit
import org.codehaus.groovy.control.Phases

def file = new File(args[0])
def unit = new CompilationUnit()
unit.addSource(file)
unit.compile(Phases.CONVERSION)

def say = { String kind, String text -> println "$kind ${text.getBytes('UTF-8').encodeBase64()}" }
def lines = file.readLines('UTF-8')
def visitor = new CodeVisitorSupport() {
  void visitMethodCallExpression(MethodCallExpression call) {
    def first = call.arguments.hasProperty('expressions') ? call.arguments.expressions.find() : null
    switch (call.methodAsString) {
      case 'stage':
        say('stage', first.value)
        break
      case 'when':
        say('when', lines[(call.lineNumber - 1)..(call.lastLineNumber - 1)].join('\n'))
        break
      case 'sh':
        assert first instanceof ConstantExpression : 'a script that Groovy puts values into'
        say('sh', first.value)
        break
      case 'credentials':
        say('credential', first.value)
        break
    }
    super.visitMethodCallExpression(call)
  }
}
unit.AST.classes*.module.unique()*.statementBlock*.visit(visitor)
