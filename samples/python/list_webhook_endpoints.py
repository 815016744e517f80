def sample(workos):
    # region
    endpoints = workos.webhooks.list_webhook_endpoints()

    for endpoint in endpoints.data:
        print(endpoint.id, endpoint.endpoint_url)
    # endregion
