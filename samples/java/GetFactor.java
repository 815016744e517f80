import com.workos.WorkOS;
import com.workos.mfa.models.Factor;

final class GetFactor {
  static void sample(WorkOS workos, String factorId) {
    // region
    Factor factor = workos.mfa.getFactor(factorId);

    System.out.println(factor.type);
    // endregion
  }
}
