def sample(workos, endpoint_id):
    # region
    endpoint = workos.webhooks.update_webhook_endpoint(endpoint_id, status="disabled")

    print(endpoint.status)
    # endregion
