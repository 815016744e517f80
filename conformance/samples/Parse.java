import com.sun.source.util.JavacTask;
import java.io.File;
import java.util.Arrays;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/** Parses files without looking up what they name: `java Parse.java FILE ...` prints each syntax error. */
public final class Parse {
  public static void main(String[] paths) throws Exception {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
    try (StandardJavaFileManager files = compiler.getStandardFileManager(found, null, null)) {
      File[] given = Arrays.stream(paths).map(File::new).toArray(File[]::new);
      JavacTask task =
          (JavacTask) compiler.getTask(null, files, found, null, null, files.getJavaFileObjects(given));
      task.parse();
    }
    found.getDiagnostics().forEach(problem -> System.out.println(problem.getSource().getName() + ": " + problem));
  }
}
