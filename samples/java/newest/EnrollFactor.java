import com.workos.WorkOS;
import com.workos.models.AuthenticationFactorEnrolled;
import com.workos.types.AuthenticationFactorsCreateRequestType;

final class EnrollFactor {
  static void sample(WorkOS workos) {
    // region
    AuthenticationFactorEnrolled factor = workos.getMultiFactorAuth()
        .enrollFactor(AuthenticationFactorsCreateRequestType.Totp, null, "Acme", "kim@example.org");

    System.out.println(factor.getId() + " " + factor.getTotp().getQrCode());
    // endregion
  }
}
