import com.workos.WorkOS;
import com.workos.common.http.Page;
import com.workos.models.AuthenticationFactor;

final class ListAuthFactors {
  static void sample(WorkOS workos, String userId) {
    // region
    Page<AuthenticationFactor> factors = workos.getMultiFactorAuth()
        .listUserAuthFactors(userId, null, null, 10);

    factors.data.forEach(factor -> System.out.println(factor.getId() + " " + factor.getType()));
    // endregion
  }
}
