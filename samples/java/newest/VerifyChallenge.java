import com.workos.WorkOS;
import com.workos.models.AuthenticationChallengeVerifyResponse;

final class VerifyChallenge {
  static void sample(WorkOS workos, String challengeId, String code) {
    // region
    AuthenticationChallengeVerifyResponse answer = workos.getMultiFactorAuth()
        .verifyChallenge(challengeId, code);

    System.out.println(answer.getValid() ? "welcome" : "try again");
    // endregion
  }
}
