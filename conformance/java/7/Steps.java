import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.zxing.BinaryBitmap;
import com.google.zxing.DecodeHintType;
import com.google.zxing.RGBLuminanceSource;
import com.google.zxing.common.HybridBinarizer;
import com.google.zxing.qrcode.QRCodeReader;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.imageio.ImageIO;

/** One line per step, codes of an authenticator, a QR reader. */
final class Steps {
  /** What a step does; whatever it throws is a failed step. */
  interface Step {
    void run() throws Exception;
  }

  /** The six digits of a base32 secret, some steps from now (RFC 6238). */
  static String code(String secret, long ahead) throws Exception {
    Mac mac = Mac.getInstance("HmacSHA1");
    mac.init(new SecretKeySpec(fromBase32(secret), "HmacSHA1"));
    long step = Instant.now().getEpochSecond() / 30 + ahead;
    byte[] digest = mac.doFinal(ByteBuffer.allocate(Long.BYTES).putLong(step).array());
    int number = ByteBuffer.wrap(digest).getInt(digest[digest.length - 1] & 15) & 0x7fffffff;
    return String.format("%06d", number % 1_000_000);
  }

  /** Six digits that are no code of this secret for some minutes around now. */
  static String wrongCode(String secret) throws Exception {
    Set<String> near = new HashSet<>();
    for (long ahead = -10; ahead <= 10; ahead++) {
      near.add(code(secret, ahead));
    }
    int number = 0;
    while (near.contains(String.format("%06d", number))) {
      number++;
    }
    return String.format("%06d", number);
  }

  private static byte[] fromBase32(String text) {
    ByteBuffer bytes = ByteBuffer.allocate(text.length() * 5 / 8);
    int bits = 0;
    int held = 0;
    for (char letter : text.toCharArray()) {
      int value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter);
      ensure(value >= 0, "no base32: " + text);
      bits = bits << 5 | value;
      held += 5;
      if (held >= 8) {
        held -= 8;
        bytes.put((byte) (bits >> held));
        bits &= (1 << held) - 1;
      }
    }
    return bytes.array();
  }

  /** Reads the QR code in a PNG given as a data URI. */
  static String textInPicture(String dataUri) throws Exception {
    String kind = "data:image/png;base64,";
    ensure(dataUri.startsWith(kind), "not a PNG as a data URI");
    byte[] png = Base64.getDecoder().decode(dataUri.substring(kind.length()));
    BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
    int width = image.getWidth();
    int height = image.getHeight();
    int[] pixels = image.getRGB(0, 0, width, height, null, 0, width);
    RGBLuminanceSource light = new RGBLuminanceSource(width, height, pixels);
    // Drawn, not photographed: the reader need not search for the symbol, which now and then goes wrong.
    Map<DecodeHintType, Object> drawn = Map.of(DecodeHintType.PURE_BARCODE, true);
    return new QRCodeReader().decode(new BinaryBitmap(new HybridBinarizer(light)), drawn).getText();
  }

  /** A set of recovery codes, which no SDK has a method for. */
  static List<String> recoveryCodes(String userId) throws Exception {
    URI path = URI.create(System.getenv("BASE_URL") + "/authfactor/users/" + userId + "/recovery_codes");
    HttpRequest request =
        HttpRequest.newBuilder(path)
            .header("Authorization", "Bearer " + System.getenv("API_KEY"))
            .POST(HttpRequest.BodyPublishers.noBody())
            .build();
    HttpResponse<String> answer =
        HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    same("status", answer.statusCode(), 201);
    List<String> codes = new ArrayList<>();
    new ObjectMapper().readTree(answer.body()).get("codes").forEach(one -> codes.add(one.asText()));
    return codes;
  }

  static void same(String what, Object found, Object expected) {
    ensure(Objects.equals(found, expected), what + ": " + found + " instead of " + expected);
  }

  static void ensure(boolean condition, String what) {
    if (!condition) {
      throw new AssertionError(what);
    }
  }

  /** Returns the exception of exactly this class that a call must throw. */
  static <E extends Exception> E refused(Class<E> kind, Callable<?> call) throws Exception {
    Object got;
    try {
      got = call.call();
    } catch (Exception error) {
      if (error.getClass() == kind) {
        return kind.cast(error);
      }
      throw error;
    }
    throw new AssertionError("no " + kind.getSimpleName() + " but " + got);
  }

  /** The same for a call that returns nothing. */
  static <E extends Exception> E refusedToDo(Class<E> kind, Step call) throws Exception {
    return refused(
        kind,
        () -> {
          call.run();
          return null;
        });
  }

  /** Runs the steps in order, one line each; returns how many failed. */
  static int walk(Map<String, Step> steps) {
    int failed = 0;
    for (Map.Entry<String, Step> step : steps.entrySet()) {
      try {
        step.getValue().run();
        System.out.println("ok " + step.getKey());
      } catch (Exception | AssertionError error) {
        failed++;
        System.out.println("not ok " + step.getKey());
        System.out.println("# " + error.toString().replaceAll("\\s+", " "));
      }
    }
    return failed;
  }

  private Steps() {}
}
