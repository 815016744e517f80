import com.workos.WorkOS;
import com.workos.usermanagement.models.EnrolledAuthenticationFactor;
import com.workos.usermanagement.types.EnrolledAuthenticationFactorOptions;

final class EnrollAuthFactor {
  static void sample(WorkOS workos, String userId) {
    // region
    EnrolledAuthenticationFactor enrolled = workos.userManagement.enrollAuthFactor(
        userId, new EnrolledAuthenticationFactorOptions("totp", "Acme"));

    System.out.println(enrolled.factor.id + " " + enrolled.challenge.id);
    // endregion
  }
}
