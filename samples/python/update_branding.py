def sample(http):
    # region
    answer = http.put("/authfactor/branding", json={"name": "Acme", "color": "#1f5fd0"})
    answer.raise_for_status()

    print(answer.json()["color"])
    # endregion
