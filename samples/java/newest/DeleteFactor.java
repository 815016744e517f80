import com.workos.WorkOS;

final class DeleteFactor {
  static void sample(WorkOS workos, String factorId) {
    // region
    workos.getMultiFactorAuth().deleteFactor(factorId);
    // endregion
  }
}
