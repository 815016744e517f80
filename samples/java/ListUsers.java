import com.workos.WorkOS;
import com.workos.usermanagement.models.Users;

final class ListUsers {
  static void sample(WorkOS workos) {
    // region
    Users users = workos.userManagement.listUsers();

    users.data.forEach(user -> System.out.println(user.id));
    // endregion
  }
}
