import com.workos.WorkOS;
import com.workos.models.AuthenticationFactor;

final class GetFactor {
  static void sample(WorkOS workos, String factorId) {
    // region
    AuthenticationFactor factor = workos.getMultiFactorAuth().getFactor(factorId);

    System.out.println(factor.getType() + " " + factor.getTotp().getIssuer());
    // endregion
  }
}
