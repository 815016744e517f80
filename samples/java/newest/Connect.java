import com.workos.WorkOS;

final class Connect {
  static WorkOS connect() {
    // region
    // com.workos:workos:7.2.0
    WorkOS workos = WorkOS.builder()
        .apiKey(System.getenv("API_KEY"))
        .clientId(System.getenv("CLIENT_ID"))
        .apiBaseUrl(System.getenv("BASE_URL"))
        .build();
    // endregion
    return workos;
  }
}
