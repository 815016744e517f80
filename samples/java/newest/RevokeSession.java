import com.workos.WorkOS;

final class RevokeSession {
  static void sample(WorkOS workos, String sessionId) {
    // region
    workos.getUserManagement().revokeSession(sessionId);
    // endregion
  }
}
