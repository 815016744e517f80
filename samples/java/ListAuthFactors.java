import com.workos.WorkOS;
import com.workos.usermanagement.models.AuthenticationFactors;

final class ListAuthFactors {
  static void sample(WorkOS workos, String userId) {
    // region
    AuthenticationFactors factors = workos.userManagement.listAuthFactors(userId);

    factors.data.forEach(factor -> System.out.println(factor.id));
    // endregion
  }
}
