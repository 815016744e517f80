import com.workos.WorkOS;

final class Connect {
  static WorkOS connect() {
    // region
    // com.workos:workos:4.25.0
    WorkOS workos = new WorkOS(System.getenv("API_KEY"));
    workos.apiHostname = "127.0.0.1";
    workos.port = 8080;
    workos.https = false;
    // endregion
    return workos;
  }
}
