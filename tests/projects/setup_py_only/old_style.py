def main():
    print("old style")
    return 0
