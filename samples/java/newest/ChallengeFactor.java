import com.workos.WorkOS;
import com.workos.models.AuthenticationChallenge;

final class ChallengeFactor {
  static void sample(WorkOS workos, String factorId) {
    // region
    AuthenticationChallenge challenge = workos.getMultiFactorAuth().challengeFactor(factorId);

    System.out.println(challenge.getId() + " " + challenge.getExpiresAt());
    // endregion
  }
}
