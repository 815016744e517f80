import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.workos.WorkOS;
import com.workos.common.exceptions.WorkOSGenericException;
import com.workos.models.AuthenticateResponse;
import com.workos.models.Invitation;
import com.workos.models.PasswordReset;
import com.workos.models.UserCreateResponse;
import com.workos.usermanagement.CreateUserPassword;
import com.workos.usermanagement.UserManagement;
import java.util.UUID;

/** Codes and links that are mailed, with the SDK 7: prints a line for each step. */
final class MailFlows {
  private static final String PASSWORD = "seven green bottles of glass";

  public static void main(String[] arguments) throws Exception {
    WorkOS workos =
        WorkOS.builder()
            .apiKey(System.getenv("API_KEY"))
            .clientId(System.getenv("CLIENT_ID"))
            .apiBaseUrl(System.getenv("BASE_URL"))
            .build();
    UserManagement users = workos.getUserManagement();
    String email = "kim." + UUID.randomUUID() + "@example.org";

    UserCreateResponse user = users.create(email);
    PasswordReset reset = users.resetPassword(email);
    users.confirmPasswordReset(reset.getPasswordResetToken(), PASSWORD);
    System.out.println(
        "password_reset " + users.getPasswordReset(reset.getId()).getId().equals(reset.getId()));

    String unverified = users.create(new CreateUserPassword.Plaintext(PASSWORD), "lee." + email).getEmail();
    try {
      users.authenticateWithPassword(unverified, PASSWORD);
    } catch (WorkOSGenericException refusal) {
      JsonNode body = new ObjectMapper().readTree(refusal.rawBody);
      String mailed = users.getEmailVerification(body.get("email_verification_id").asText()).getCode();
      AuthenticateResponse done =
          users.authenticateWithEmailVerification(
              mailed, body.get("pending_authentication_token").asText());
      System.out.println("email_verification " + done.getUser().getEmailVerified());
    }

    String code = users.getMagicAuth(users.createMagicAuth(email).getId()).getCode();
    AuthenticateResponse signedIn = users.authenticateWithMagicAuth(code, email);
    System.out.println(
        "magic_auth "
            + signedIn.getUser().getId().equals(user.getId())
            + " "
            + signedIn.getAuthenticationMethod().getValue());

    Invitation invited = users.sendInvitation("pat." + email);
    Invitation found = users.findInvitationByToken(invited.getToken());
    int listed = users.listInvitations(null, null, 10, null, null, found.getEmail()).data.size();
    System.out.println(
        "invitation "
            + found.getId().equals(invited.getId())
            + " "
            + listed
            + " "
            + users.resendInvitation(invited.getId()).getState().getValue());
    users.create(invited.getEmail());
    System.out.println(
        "accepted " + users.acceptInvitation(invited.getId()).getState().getValue());
    Invitation other = users.sendInvitation("sam." + email);
    System.out.println("revoked " + users.revokeInvitation(other.getId()).getState().getValue());
  }
}
