import com.workos.WorkOS;
import com.workos.mfa.MfaApi.EnrollFactorOptions;
import com.workos.mfa.models.Factor;

final class EnrollFactor {
  static void sample(WorkOS workos) {
    // region
    EnrollFactorOptions options = EnrollFactorOptions.builder()
        .type("totp")
        .issuer("Acme")
        .user("kim@example.org")
        .build();
    Factor factor = workos.mfa.enrollFactor(options);

    System.out.println(factor.id);
    // endregion
  }
}
