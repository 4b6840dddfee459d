def test_is_no_integration_test():
    import measures

    assert measures.__doc__
