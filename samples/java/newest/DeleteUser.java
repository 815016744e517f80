import com.workos.WorkOS;

final class DeleteUser {
  static void sample(WorkOS workos, String userId) {
    // region
    workos.getUserManagement().delete(userId);
    // endregion
  }
}
