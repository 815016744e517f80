import com.workos.WorkOS;
import com.workos.usermanagement.models.RefreshAuthentication;

final class AuthenticateWithRefreshToken {
  static void sample(WorkOS workos, String clientId, String refreshToken) {
    // region
    RefreshAuthentication refreshed =
        workos.userManagement.authenticateWithRefreshToken(clientId, refreshToken, null);

    System.out.println(refreshed.accessToken);
    // endregion
  }
}
