import com.workos.WorkOS;
import com.workos.usermanagement.AuthKitAuthUrlsKt;
import com.workos.usermanagement.AuthKitLogoutUrlOptions;

final class LogOut {
  static String sample(WorkOS workos, String sessionId, String returnTo) {
    // region
    String url = AuthKitAuthUrlsKt.getLogoutUrl(
        workos.getUserManagement(), new AuthKitLogoutUrlOptions(sessionId, returnTo));

    System.out.println("send the browser to " + url);
    // endregion
    return url;
  }
}
