def sample(workos, endpoint_id):
    # region
    workos.webhooks.delete_webhook_endpoint(endpoint_id)
    # endregion
