import com.workos.WorkOS;

final class LogOut {
  static void sample(WorkOS workos, String sessionId) {
    // region
    String url = workos.userManagement.getLogoutUrl(sessionId);

    System.out.println(url);
    // endregion
  }
}
