import com.workos.WorkOS;
import com.workos.models.UserAuthenticationFactorEnrollResponse;

final class EnrollAuthFactor {
  static void sample(WorkOS workos, String userId) {
    // region
    UserAuthenticationFactorEnrollResponse enrolled = workos.getMultiFactorAuth()
        .createUserAuthFactor(userId, "totp", "Acme");

    System.out.println(enrolled.getAuthenticationFactor().getTotp().getQrCode());
    System.out.println(enrolled.getAuthenticationChallenge().getId());
    // endregion
  }
}
