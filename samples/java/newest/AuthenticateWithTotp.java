import com.workos.WorkOS;
import com.workos.models.AuthenticateResponse;

final class AuthenticateWithTotp {
  static void sample(WorkOS workos, String code, String challengeId, String pendingAuthenticationToken) {
    // region
    AuthenticateResponse signedIn = workos.getUserManagement()
        .authenticateWithTotp(code, pendingAuthenticationToken, challengeId);

    System.out.println(signedIn.getUser().getId() + " " + signedIn.getAccessToken());
    // endregion
  }
}
