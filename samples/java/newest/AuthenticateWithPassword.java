import com.workos.WorkOS;
import com.workos.models.AuthenticateResponse;

final class AuthenticateWithPassword {
  static void sample(WorkOS workos, String email, String password) {
    // region
    AuthenticateResponse signedIn = workos.getUserManagement().authenticateWithPassword(email, password);

    System.out.println(signedIn.getUser().getId() + " " + signedIn.getAccessToken());
    // endregion
  }
}
