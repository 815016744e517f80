import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.workos.WorkOS;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** Runs the Java samples: each takes what it needs out of a scene that the runner has prepared. */
public final class Run {
  public static void main(String[] arguments) throws Exception {
    ObjectMapper json = new ObjectMapper();
    Map<String, Map<String, String>> scenes =
        json.readValue(new File(System.getenv("SCENES")), new TypeReference<>() {});
    Map<String, Map<String, Object>> results = new LinkedHashMap<>();
    WorkOS workos = Connect.connect();
    for (Map.Entry<String, Map<String, String>> scene : scenes.entrySet()) {
      // Tells the recorder whose requests follow.
      URI begin = URI.create(System.getenv("BASE_URL") + "/-/begin/" + scene.getKey());
      HttpClient.newHttpClient()
          .send(HttpRequest.newBuilder(begin).build(), HttpResponse.BodyHandlers.discarding());
      results.put(scene.getKey(), run(workos, scene.getKey(), scene.getValue()));
    }
    json.writeValue(new File(System.getenv("RESULTS")), results);
    // The SDK's HTTP client keeps threads for a while.
    System.exit(0);
  }

  private static Map<String, Object> run(WorkOS workos, String name, Map<String, String> scene)
      throws Exception {
    Method sample =
        Arrays.stream(Class.forName(joined(name, true)).getDeclaredMethods())
            .filter(method -> method.getName().equals("sample"))
            .findFirst()
            .orElseThrow();
    Map<String, Object> given = new LinkedHashMap<>(Map.of("workos", workos));
    scene.forEach((key, value) -> given.put(joined(key, false), value));
    Object[] values =
        Arrays.stream(sample.getParameters()).map(taken -> given.get(taken.getName())).toArray();
    PrintStream out = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    Map<String, Object> told = new LinkedHashMap<>(Map.of("ok", true, "said", "", "result", ""));
    try {
      Object result = sample.invoke(null, values);
      told.put("result", result == null ? "" : result);
    } catch (InvocationTargetException error) {
      told.put("ok", false);
      told.put("said", String.valueOf(error.getCause()));
    } finally {
      System.setOut(out);
    }
    told.put("printed", printed.toString(StandardCharsets.UTF_8));
    return told;
  }

  /** Writes a name with underscores in camel case. */
  private static String joined(String name, boolean capital) {
    StringBuilder text = new StringBuilder();
    for (String part : name.split("_")) {
      boolean first = text.length() == 0 && !capital;
      text.append(first ? part : Character.toUpperCase(part.charAt(0)) + part.substring(1));
    }
    return text.toString();
  }
}
