import com.workos.WorkOS;
import com.workos.mfa.MfaApi.ChallengeFactorOptions;
import com.workos.mfa.models.Challenge;

final class ChallengeFactor {
  static void sample(WorkOS workos, String factorId) {
    // region
    ChallengeFactorOptions options = ChallengeFactorOptions.builder()
        .authenticationFactorId(factorId)
        .build();
    Challenge challenge = workos.mfa.challengeFactor(options);

    System.out.println(challenge.id);
    // endregion
  }
}
