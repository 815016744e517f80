import com.workos.WorkOS;
import com.workos.usermanagement.models.Authentication;

final class AuthenticateWithTotp {
  static void sample(WorkOS workos, String clientId, String code, String challengeId, String pendingAuthenticationToken) {
    // region
    Authentication signedIn = workos.userManagement.authenticateWithTotp(
        clientId, code, challengeId, pendingAuthenticationToken, null);

    System.out.println(signedIn.user.id);
    // endregion
  }
}
