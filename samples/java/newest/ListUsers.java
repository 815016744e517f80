import com.workos.WorkOS;
import com.workos.common.http.Page;
import com.workos.models.User;

final class ListUsers {
  static void sample(WorkOS workos, String email) {
    // region
    Page<User> users = workos.getUserManagement().list(null, null, null, null, null, null, email);

    users.data.forEach(user -> System.out.println(user.getId() + " " + user.getEmail()));
    // endregion
  }
}
