import com.workos.WorkOS;
import com.workos.models.AuthenticateResponse;

final class AuthenticateWithRefreshToken {
  static void sample(WorkOS workos, String refreshToken) {
    // region
    AuthenticateResponse refreshed = workos.getUserManagement().authenticateWithRefreshToken(refreshToken);

    System.out.println(refreshed.getAccessToken() + " " + refreshed.getRefreshToken());
    // endregion
  }
}
