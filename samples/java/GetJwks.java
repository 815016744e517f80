import com.workos.WorkOS;

final class GetJwks {
  static void sample(WorkOS workos, String clientId) {
    // region
    String url = workos.userManagement.getJwksUrl(clientId);

    System.out.println(url);
    // endregion
  }
}
