import com.workos.WorkOS;
import com.workos.models.User;
import java.util.Map;

final class UpdateUser {
  static void sample(WorkOS workos, String userId) {
    // region
    User user = workos.getUserManagement()
        .update(userId, null, null, "Kim", null, null, null, Map.of("plan", "pro"));

    System.out.println(user.getUpdatedAt());
    // endregion
  }
}
