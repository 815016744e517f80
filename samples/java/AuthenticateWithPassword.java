import com.workos.WorkOS;
import com.workos.usermanagement.models.Authentication;

final class AuthenticateWithPassword {
  static void sample(WorkOS workos, String clientId, String email, String password) {
    // region
    Authentication signedIn = workos.userManagement.authenticateWithPassword(clientId, email, password, null);

    System.out.println(signedIn.user.id);
    // endregion
  }
}
