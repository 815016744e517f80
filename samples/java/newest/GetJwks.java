import com.workos.WorkOS;
import com.workos.models.JwksResponse;

final class GetJwks {
  static void sample(WorkOS workos, String clientId) {
    // region
    JwksResponse keys = workos.getUserManagement().getJwks(clientId);

    keys.getKeys().forEach(key -> System.out.println(key.getKid()));
    // endregion
  }
}
