import com.sun.net.httpserver.HttpServer;
import com.workos.WorkOS;
import com.workos.models.WebhookEndpoint;
import com.workos.types.CreateWebhookEndpointEvents;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A webhook receiver on loopback, subscribed to one event until it is closed. */
final class Inbox implements AutoCloseable {
  private static final int PATIENCE_SECONDS = 20;

  /** One delivery as it came in, untouched. */
  record Letter(String body, String signature) {}

  private final BlockingQueue<Letter> letters = new LinkedBlockingQueue<>();
  private final WorkOS workos;
  private final HttpServer receiver;
  private final WebhookEndpoint endpoint;

  Inbox(WorkOS workos, CreateWebhookEndpointEvents event) throws Exception {
    this.workos = workos;
    receiver = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    receiver.createContext(
        "/",
        exchange -> {
          String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
          letters.add(new Letter(body, exchange.getRequestHeaders().getFirst("WorkOS-Signature")));
          exchange.sendResponseHeaders(200, -1);
          exchange.close();
        });
    receiver.start();
    String url = "http://127.0.0.1:" + receiver.getAddress().getPort() + "/";
    try {
      endpoint = workos.getWebhooks().createEndpoint(url, List.of(event));
    } catch (RuntimeException error) {
      receiver.stop(0);
      throw error;
    }
  }

  String secret() {
    return endpoint.getSecret();
  }

  Letter next() throws InterruptedException {
    Letter letter = letters.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
    Steps.ensure(letter != null, "no delivery within " + PATIENCE_SECONDS + " s");
    return letter;
  }

  @Override
  public void close() {
    receiver.stop(0);
    workos.getWebhooks().deleteEndpoint(endpoint.getId());
  }
}
