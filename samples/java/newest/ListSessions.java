import com.workos.WorkOS;
import com.workos.common.http.Page;
import com.workos.models.SessionCreatedData;

final class ListSessions {
  static void sample(WorkOS workos, String userId) {
    // region
    Page<SessionCreatedData> sessions = workos.getUserManagement().listSessions(userId);

    sessions.data.forEach(session -> System.out.println(session.getId() + " " + session.getStatus()));
    // endregion
  }
}
